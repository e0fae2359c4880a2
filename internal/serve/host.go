package serve

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// A page of another site can give its own name the address of this machine, and then read the
// answers of a server here as its own. Such requests have the name of that site as their host.

// hostCheck returns a check of the host of requests to a listener. A server that only this machine
// reaches answers to its loopback names and addresses and to allowed names. Another answers to all,
// or to addresses and allowed names if there are any.
func hostCheck(listener net.Addr, allowed []string) func(*http.Request) error {
	address, ok := listener.(*net.TCPAddr)
	loopback := ok && address.IP.IsLoopback()
	if !loopback && len(allowed) == 0 {
		return func(*http.Request) error { return nil }
	}
	return func(r *http.Request) error {
		host := hostName(r.Host)
		ip := net.ParseIP(host)
		switch {
		case host == "": // HTTP/1.0: no browser
		case ip != nil && (ip.IsLoopback() || !loopback):
		case host == "localhost", strings.HasSuffix(host, ".localhost"):
		case slices.ContainsFunc(allowed, func(name string) bool { return hostName(name) == host }):
		default:
			return problemf(http.StatusForbidden, "this server does not answer to the host %.100q: lamina serve --allow-host adds one", host)
		}
		return nil
	}
}

// hostName returns a host in lower case, without its port and the dot of a full name.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

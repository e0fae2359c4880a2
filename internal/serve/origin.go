package serve

import (
	"fmt"
	"net/http"
	"slices"
)

// everyOrigin stands for all sites.
const everyOrigin = "*"

// crossOrigin says which pages of other sites may use a server (Cross-Origin Resource Sharing,
// https://fetch.spec.whatwg.org/#http-cors-protocol).
type crossOrigin struct {
	origins    []string
	protection http.CrossOriginProtection
}

// CheckOrigin reports an origin that is neither that of a site nor "*".
func CheckOrigin(origin string) error {
	var c crossOrigin
	if c.allowOrigins([]string{origin}) != nil {
		return fmt.Errorf("%q: must be SCHEME://HOST or SCHEME://HOST:PORT, as https://example.com, or *", origin)
	}
	return nil
}

// allowOrigins lets pages of these sites use the server.
func (c *crossOrigin) allowOrigins(origins []string) error {
	c.origins = origins
	for _, origin := range origins {
		if origin == everyOrigin {
			continue
		}
		if err := c.protection.AddTrustedOrigin(origin); err != nil {
			return err
		}
	}
	return nil
}

// allows reports whether a request comes from an allowed site.
func (c *crossOrigin) allows(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin != "" && (slices.Contains(c.origins, everyOrigin) || slices.Contains(c.origins, origin))
}

// checkOrigin returns an error for a request of a page that may not use the server.
func (c *crossOrigin) checkOrigin(r *http.Request) error {
	if !c.allows(r) && c.protection.Check(r) != nil {
		return problemf(http.StatusForbidden,
			"pages of another site may not use this server: lamina serve --allow-origin adds one")
	}
	return nil
}

// allow lets the page that sent a request read its answer, if it may.
func (c *crossOrigin) allow(h http.Header, r *http.Request) {
	if len(c.origins) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	if c.allows(r) {
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}
}

// preflight reports whether a request only asks if a page may send another one. It sets the headers
// of the answer.
func (c *crossOrigin) preflight(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || !c.allows(r) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", method)
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	h.Set("Access-Control-Max-Age", "600") // seconds
	w.WriteHeader(http.StatusNoContent)
	return true
}

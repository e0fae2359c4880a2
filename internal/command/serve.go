package command

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/internal/sample"
	"github.com/lamina-go/lamina/internal/serve"
)

const serveUsage = `Answer HTTP requests with the predictions of a model: a page for people at /,
JSON for programs at /v1/predict, and /healthz and /metrics.

Usage: lamina serve MODEL [flags]

  lamina serve runs/vgg16-20260102-150405
  curl --data-binary @cat.png http://127.0.0.1:8080/v1/predict

` + modelHelp + `
Ctrl-C or SIGTERM answers the requests that have arrived, then ends.
`

// defaultAddress is where a server listens unless --listen says otherwise.
const defaultAddress = "127.0.0.1:8080"

type server struct {
	model
	listen string
	hosts  []string
	sites  []string // whose pages may use it
	top    int
}

func newServe() *server {
	return &server{model: model{Options: device.Defaults()}, listen: defaultAddress, top: 3}
}

// command binds the flags to s, whose values are the defaults.
func (s *server) command() *cli.Command {
	g := cli.NewGroup("Server")
	g.StringVar(&s.listen, "listen", s.listen,
		"`ADDRESS` a port of this machine alone, as 9000, or HOST:PORT; 0.0.0.0:8080 listens on all its networks")
	g.Func("allow-host", "`NAME` answer requests to this host too, as through a reverse proxy; repeat for more",
		func(name string) error { s.hosts = append(s.hosts, name); return nil })
	g.StringSliceVar(&s.sites, "allow-origin", s.sites,
		"`ORIGIN` let pages of this site use the server (CORS), as https://example.com, or *; repeat for more")
	g.IntVar(&s.top, "top", s.top, "`N` classes per image unless a request has ?top=N")
	return &cli.Command{Name: "serve", Summary: "answer HTTP requests with a model", Usage: serveUsage,
		Flags: append([]cli.Group{g}, s.groups()...), Check: s.check, Run: s.run}
}

// check completes and checks the command line.
func (s *server) check(f *pflag.FlagSet) (err error) {
	if err := oneModel(f); err != nil {
		return err
	}
	if s.listen, err = address("listen", s.listen); err != nil {
		return err
	}
	for i, origin := range s.sites {
		s.sites[i] = strings.ToLower(origin)
		if err := serve.CheckOrigin(s.sites[i]); err != nil {
			return fmt.Errorf("--allow-origin %w", err)
		}
	}
	return cmp.Or(cli.AtLeast("top", s.top, 1), s.model.check(f))
}

// address returns where to listen, from the value of a flag: on this machine alone unless the text
// has a host.
func address(flag, text string) (string, error) {
	full := text
	if !strings.Contains(text, ":") {
		full = ":" + text
	}
	host, port, err := net.SplitHostPort(full)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("--%s %q: must be a port from 0 to 65535, as 8080, or HOST:PORT, as 0.0.0.0:8080", flag, text)
	}
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port), nil
}

// listen listens at an address of a flag.
func listen(flag, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err // the address is known
	}
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w: choose another port or host", flag, address, err)
	}
	return listener, nil
}

func (s *server) run(*cli.Call) error {
	m, b, err := s.open("serve")
	if err != nil {
		return err
	}
	defer b.Close()
	defer m.Close()
	ctx := cli.Context("stopping once the requests that have arrived are answered; Ctrl-C again ends at once")
	samples, err := sample.Read(s.path, len(m.Labels()))
	if err != nil {
		return err
	}
	server, err := serve.New(m, serve.Options{Top: s.top, Hosts: s.hosts, Origins: s.sites, Samples: samples})
	if err != nil {
		return err
	}
	listener, err := listen("listen", s.listen)
	if err != nil {
		return err
	}
	cli.Stdout.Printf("serving %s at http://%s\n", m.Name(), listener.Addr())
	return server.Serve(ctx, listener)
}

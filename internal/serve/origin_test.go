package serve

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/lamina-go/lamina/internal/classifytest"
)

// TestOrigins sends what a browser sends for pages of other sites.
func TestOrigins(t *testing.T) {
	const site, other = "https://shop.example", "https://other.example:8443"
	for _, test := range []struct {
		name    string
		allowed []string
		origin  string
		want    bool
	}{
		{"none", nil, site, false},
		{"the site", []string{site}, site, true},
		{"one of two", []string{site, other}, other, true},
		{"another", []string{site}, other, false},
		{"a longer name", []string{site}, site + ".attacker.example", false},
		{"without encryption", []string{site}, "http://shop.example", false},
		{"all", []string{"*"}, other, true},
		{"a file", []string{"*"}, "null", true},
		{"a file where one site is allowed", []string{site}, "null", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newTestServer(t)
			if err := s.allowOrigins(test.allowed); err != nil {
				t.Fatal(err)
			}
			h := s.handler()
			send := func(method, path string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, path, bytes.NewReader(classifytest.PNG(t, 0)))
				r.Host = "localhost"
				r.Header.Set("Origin", test.origin)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				if method == "OPTIONS" {
					r.Header.Set("Access-Control-Request-Method", "POST")
					r.Header.Set("Access-Control-Request-Headers", "content-type")
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if got := w.Header().Get("Access-Control-Allow-Origin"); (got == test.origin) != test.want || !test.want && got != "" {
					t.Errorf("%s %s: allows %q", method, path, got)
				}
				if (w.Header().Get("Vary") == "Origin") != (len(test.allowed) > 0) {
					t.Errorf("%s %s varies by %q", method, path, w.Header().Get("Vary"))
				}
				return w
			}
			w := send("OPTIONS", predictPath)
			if test.want {
				if h := w.Header(); w.Code != 204 || h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Headers") != "Content-Type" {
					t.Errorf("status %d, %v", w.Code, h)
				}
				readAnswer(t, send("POST", predictPath))
			} else {
				checkProblem(t, w.Result(), 405)
				checkProblem(t, send("POST", predictPath).Result(), 403, "another site", "--allow-origin")
			}
			checkProblem(t, send("POST", predictPath+"?top=0").Result(), map[bool]int{true: 400, false: 403}[test.want])
			if w := send("GET", "/healthz"); w.Code != 200 {
				t.Errorf("status %d", w.Code)
			}
			if w := send("OPTIONS", "/"); w.Code != 405 {
				t.Errorf("status %d of OPTIONS for the page", w.Code)
			}
		})
	}
	for _, origin := range []string{"", "shop.example", "https://", "https://shop.example/page", "null", "https://a b"} {
		if err := CheckOrigin(origin); err == nil {
			t.Errorf("%q is taken for an origin", origin)
		}
	}
}

// The shape of pinchtab/pinchtab#94: times are forgotten, hosts are not.
package limit

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	window = 10 * time.Second
	most   = 120
)

var (
	mu     sync.Mutex
	visits = map[string][]time.Time{}
)

// PerHost refuses hosts that ask too often.
func PerHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		now := time.Now()
		mu.Lock()
		recent := visits[host][:0]
		for _, at := range visits[host] {
			if now.Sub(at) < window {
				recent = append(recent, at)
			}
		}
		if len(recent) >= most {
			visits[host] = recent
			mu.Unlock()
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		visits[host] = append(recent, now)
		mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

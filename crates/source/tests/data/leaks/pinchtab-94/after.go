// The fix of pinchtab/pinchtab#94: hosts that have not asked for a while go, too.
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
	start  sync.Once
)

// PerHost refuses hosts that ask too often.
func PerHost(next http.Handler) http.Handler {
	start.Do(func() { go sweep() })
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

func sweep() {
	for now := range time.Tick(3 * window) {
		forget(now)
	}
}

func forget(now time.Time) {
	mu.Lock()
	defer mu.Unlock()
	for host, times := range visits {
		recent := times[:0]
		for _, at := range times {
			if now.Sub(at) < window {
				recent = append(recent, at)
			}
		}
		if len(recent) == 0 {
			delete(visits, host)
		} else {
			visits[host] = recent
		}
	}
}

package limit

import (
	"net/http"
	"sync"
	"time"
)

// PerClient lets a client through once a second, and remembers every client for ever.
func PerClient(next http.Handler) http.Handler {
	var mu sync.Mutex
	seen := make(map[string]time.Time)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		last := seen[r.RemoteAddr]
		seen[r.RemoteAddr] = time.Now()
		mu.Unlock()
		if time.Since(last) > time.Second {
			next.ServeHTTP(w, r)
		}
	})
}

package limit

import (
	"net/http"
	"sync"
	"time"
)

// PerClient lets a client through once a second, and forgets clients after a while.
func PerClient(next http.Handler) http.Handler {
	var mu sync.Mutex
	seen := make(map[string]time.Time)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		for client, last := range seen {
			if time.Since(last) > time.Minute {
				delete(seen, client)
			}
		}
		last := seen[r.RemoteAddr]
		seen[r.RemoteAddr] = time.Now()
		mu.Unlock()
		values := make(map[string]string)
		values[r.URL.Path] = r.Method
		if time.Since(last) > time.Second {
			next.ServeHTTP(w, r)
		}
	})
}

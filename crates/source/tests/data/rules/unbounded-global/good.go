package visits

import (
	"net/http"
	"sync"
)

var (
	mu      sync.Mutex
	hits    = map[string]int{}
	methods = map[string]string{}
	limited = map[string]int{}
)

func init() {
	for _, method := range []string{"GET", "PUT"} {
		methods[method] = method
	}
}

// Count is called when a connection opens, and Forget when it closes.
func Count(w http.ResponseWriter, r *http.Request) {
	mu.Lock()
	defer mu.Unlock()
	hits[r.RemoteAddr]++
	if len(limited) < 1000 {
		limited[r.RemoteAddr]++
	}
}

func Forget(address string) {
	mu.Lock()
	defer mu.Unlock()
	delete(hits, address)
}

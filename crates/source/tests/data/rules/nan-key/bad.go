package histogram

import "sync"

type Histogram struct {
	mu     sync.Mutex
	counts map[float64]int
}

func (h *Histogram) Observe(value float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[value]++
}

func (h *Histogram) Forget(value float64) {
	delete(h.counts, value)
}

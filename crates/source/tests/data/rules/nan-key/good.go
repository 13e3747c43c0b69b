package histogram

import (
	"math"
	"sync"
)

type Histogram struct {
	mu     sync.Mutex
	counts map[float64]int
	whole  map[int64]int
	bounds map[float64]string
}

func (h *Histogram) Observe(value float64) {
	if math.IsNaN(value) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[value]++
	h.whole[int64(value)]++
}

func (h *Histogram) Forget(value float64) {
	delete(h.counts, value)
	delete(h.whole, int64(value))
}

func (h *Histogram) Name() {
	h.bounds[0.5] = "median"
}

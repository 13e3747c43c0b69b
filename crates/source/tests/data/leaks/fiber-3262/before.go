package idempotency

import "sync"

type memory struct {
	mu   sync.Mutex
	keys map[string]*sync.Mutex
}

func newMemory() *memory { return &memory{keys: make(map[string]*sync.Mutex)} }

func (m *memory) lock(key string) {
	m.mu.Lock()
	one, ok := m.keys[key]
	if !ok {
		one = new(sync.Mutex)
		m.keys[key] = one
	}
	m.mu.Unlock()
	one.Lock()
}

func (m *memory) unlock(key string) {
	m.mu.Lock()
	one, ok := m.keys[key]
	m.mu.Unlock()
	if ok {
		one.Unlock()
	}
}

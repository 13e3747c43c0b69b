package idempotency

import "sync"

type counted struct {
	mu      sync.Mutex
	holders int
}

type memory struct {
	mu   sync.Mutex
	keys map[string]*counted
}

func newMemory() *memory { return &memory{keys: make(map[string]*counted)} }

func (m *memory) lock(key string) {
	m.mu.Lock()
	one, ok := m.keys[key]
	if !ok {
		one = new(counted)
		m.keys[key] = one
	}
	one.holders++
	m.mu.Unlock()
	one.mu.Lock()
}

func (m *memory) unlock(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.keys[key]
	if !ok {
		return
	}
	one.mu.Unlock()
	one.holders--
	if one.holders <= 0 {
		delete(m.keys, key)
	}
}

package cache

import "runtime/debug"

type Cache struct {
	entries map[string][]byte
	round   map[string]bool
}

func (c *Cache) Release() {
	for key := range c.entries {
		delete(c.entries, key)
	}
	c.entries = make(map[string][]byte)
	debug.FreeOSMemory()
}

// Next empties the map to use it again at once: its room is wanted.
func (c *Cache) Next() {
	for key := range c.round {
		delete(c.round, key)
	}
}

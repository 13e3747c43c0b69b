package cache

import "runtime/debug"

type Cache struct {
	entries map[string][]byte
}

func (c *Cache) Release() {
	for key := range c.entries {
		delete(c.entries, key)
	}
	debug.FreeOSMemory()
}

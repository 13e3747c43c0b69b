package locks

import "sync"

type Keyed struct {
	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

func (k *Keyed) Lock(key string) {
	k.mu.Lock()
	lock, ok := k.locks[key]
	if !ok {
		lock = new(sync.Mutex)
		k.locks[key] = lock
	}
	k.mu.Unlock()
	lock.Lock()
}

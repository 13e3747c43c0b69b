package locks

import "sync"

type counted struct {
	sync.Mutex
	users int
}

type Keyed struct {
	mu    sync.Mutex
	locks map[string]*counted
}

func (k *Keyed) Lock(key string) {
	k.mu.Lock()
	lock := k.locks[key]
	if lock == nil {
		lock = new(counted)
		k.locks[key] = lock
	}
	lock.users++
	k.mu.Unlock()
	lock.Lock()
}

func (k *Keyed) Unlock(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lock := k.locks[key]
	lock.Unlock()
	lock.users--
	if lock.users == 0 {
		delete(k.locks, key)
	}
}

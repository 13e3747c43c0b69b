package publish

import "sync"

var (
	guard sync.Mutex
	paths = make(map[string]*sync.Mutex)
)

func lockFor(path string) *sync.Mutex {
	guard.Lock()
	defer guard.Unlock()
	if lock, exists := paths[path]; exists {
		return lock
	}
	lock := &sync.Mutex{}
	paths[path] = lock
	return lock
}

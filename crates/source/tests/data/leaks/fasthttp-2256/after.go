package files

import "sync"

type held struct {
	sync.Mutex
	users int
}

var (
	mu    sync.Mutex
	locks = map[string]*held{}
)

func Compress(path string, write func() error) error {
	mu.Lock()
	lock := locks[path]
	if lock == nil {
		lock = &held{}
		locks[path] = lock
	}
	lock.users++
	mu.Unlock()
	lock.Lock()
	defer func() {
		lock.Unlock()
		mu.Lock()
		defer mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(locks, path)
		}
	}()
	return write()
}

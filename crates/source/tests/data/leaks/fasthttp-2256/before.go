package files

import "sync"

var locks sync.Map

func lockOf(path string) *sync.Mutex {
	found, _ := locks.LoadOrStore(path, &sync.Mutex{})
	return found.(*sync.Mutex)
}

func Compress(path string, write func() error) error {
	lock := lockOf(path)
	lock.Lock()
	defer lock.Unlock()
	return write()
}

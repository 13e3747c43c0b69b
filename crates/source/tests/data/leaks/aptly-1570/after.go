package publish

import (
	"hash/fnv"
	"sync"
)

// A fixed number of locks: paths share them.
var stripes [64]sync.Mutex

func lockFor(path string) *sync.Mutex {
	hash := fnv.New32a()
	hash.Write([]byte(path))
	return &stripes[hash.Sum32()%64]
}

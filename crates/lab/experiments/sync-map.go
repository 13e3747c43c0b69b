package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func init() { register("sync-map", syncMap) }

func syncMap() {
	quiet()
	const n = 100_000
	before := live()
	var m sync.Map
	for i := 0; i < n; i++ {
		m.Store(i, i)
	}
	full := change(before, live())
	report("bytes of 100,000 entries, stored", full, "bytes")
	for i := 0; i < n; i++ {
		m.Delete(i)
	}
	report("share left when all are deleted", change(before, live())/full, "")
	// Readers move the entries to the map for reading; deletes then leave them there.
	for round := 0; round < 2; round++ {
		for i := 0; i < n; i++ {
			m.Store(i, i)
		}
		for i := 0; i < n; i++ {
			m.Load(i)
		}
	}
	m.Range(func(any, any) bool { return true })
	read := change(before, live())
	for i := 0; i < n; i++ {
		m.Delete(i)
	}
	report("share left when all are deleted after they were read", change(before, live())/read, "")
	runtime.KeepAlive(&m)

	m.Store(1000, 1000)
	var one any = 1000
	report("objects allocated by a Delete of a key that is there or not", testing.AllocsPerRun(1000, func() { m.Delete(one) }), "objects")
	var stored int
	report("objects allocated by a Store of a new integer", testing.AllocsPerRun(1000, func() {
		stored++
		m.Store(stored+1_000_000, stored+1_000_000)
	}), "objects")

	goroot := os.Getenv("GOROOT")
	text := ""
	files, _ := filepath.Glob(goroot + "/src/sync/*map.go")
	for _, file := range files {
		bytes, _ := os.ReadFile(file)
		text += string(bytes)
	}
	if text == "" {
		fail("%s has no sources of sync.Map", goroot)
	}
	report("its source holds an atomic.Value", truth(strings.Contains(text, "read atomic.Value")), "")

	// Two processors, whatever the machine has; and the least, since whatever else it does takes time, most
	// of all from who waits for a lock. Then it takes more rounds to find the least.
	runtime.GOMAXPROCS(2)
	locked, synced := math.Inf(1), math.Inf(1)
	for round := 0; round < 9 || round < 90 && locked > 1.5*synced; round++ {
		locked = math.Min(locked, deleteLocked(n))
		synced = math.Min(synced, deleteSynced(n))
	}
	report("time of 100,000 concurrent deletes, a locked map over sync.Map", locked/synced, "")
}

func deleteLocked(n int) float64 {
	var lock sync.RWMutex
	m := make(map[int]int)
	for i := 0; i < n; i += 2 {
		m[i] = i
	}
	return split(n, func(i int) {
		lock.Lock()
		delete(m, i)
		lock.Unlock()
	})
}

func deleteSynced(n int) float64 {
	var m sync.Map
	for i := 0; i < n; i += 2 {
		m.Store(i, i)
	}
	return split(n, func(i int) { m.Delete(i) })
}

func split(n int, each func(int)) float64 {
	var group sync.WaitGroup
	start := time.Now()
	for part := 0; part < 4; part++ {
		group.Add(1)
		go func(part int) {
			defer group.Done()
			for i := part; i < n; i += 4 {
				each(i)
			}
		}(part)
	}
	group.Wait()
	return float64(time.Since(start))
}

package main

import (
	"math"
	"runtime"
)

func init() { register("delete-collection", deleteCollection) }

func deleteCollection() {
	pauses := map[int]float64{}
	for _, n := range []int{1_000, 10_000, 90_000} {
		m := make(map[int]*[1024]byte)
		for i := 0; i < n; i++ {
			m[key(i)] = new([1024]byte)
		}
		kept = m
		runtime.GC()
		runtime.GC()
		reportAt("objects that a collection frees after one delete, by entries", n, freedByOne(m), "objects")
		// The least, since whatever else the machine does makes a pause longer.
		var stats runtime.MemStats
		pauses[n] = math.Inf(1)
		for i := 0; i < 15; i++ {
			delete(m, key(i+100))
			runtime.GC()
			runtime.ReadMemStats(&stats)
			pauses[n] = math.Min(pauses[n], float64(stats.PauseNs[(stats.NumGC+255)%256])/1000)
		}
		reportAt("time that the program stands still, by entries", n, pauses[n], "µs")
		kept = nil
	}
	report("the pause at 90,000 entries over that at 1,000", pauses[90_000]/pauses[1_000], "")
}

// freedByOne is the least of several measures: the runtime has garbage of its own.
func freedByOne(m map[int]*[1024]byte) float64 {
	least := uint64(1 << 62)
	for i := 0; i < 8; i++ {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		delete(m, key(i))
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if freed := after.Frees - before.Frees; freed < least {
			least = freed
		}
	}
	return float64(least)
}

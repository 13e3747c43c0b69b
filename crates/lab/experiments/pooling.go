package main

import (
	"sort"
	"sync"
	"testing"
	"time"
)

func init() { register("pooling", pooling) }

type pooled struct{ data [1024]byte }

var pooledSink *pooled

func pooling() {
	pool := sync.Pool{New: func() any { return new(pooled) }}
	reuse := func() {
		p := pool.Get().(*pooled)
		p.data[0]++
		pooledSink = p
		pool.Put(p)
	}
	fresh := func() {
		p := new(pooled)
		p.data[0]++
		pooledSink = p
	}
	report("objects allocated each time, new", testing.AllocsPerRun(10_000, fresh), "objects")
	report("objects allocated each time, from a pool", testing.AllocsPerRun(10_000, reuse), "objects")
	report("time of new over time from a pool", timed(fresh)/timed(reuse), "")
}

func timed(call func()) float64 {
	var times []float64
	for round := 0; round < 9; round++ {
		start := time.Now()
		for i := 0; i < 50_000; i++ {
			call()
		}
		times = append(times, float64(time.Since(start)))
	}
	sort.Float64s(times)
	return times[len(times)/2]
}

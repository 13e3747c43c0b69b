package main

import (
	"math"
	"time"
	"unsafe"
)

func init() { register("collision-chains", collisionChains) }

const chained = 100_000

func collisionChains() {
	quiet()
	keys := make([]int, chained)
	for i := range keys {
		keys[i] = key(i)
	}
	before := live()
	spread := filled(chained, chained)
	kept = spread
	report("bytes of 100,000 ints, spread", change(before, live()), "bytes")
	if isSwiss() {
		return
	}
	_, longest := chains(spread)
	report("longest chain, spread", float64(longest), "buckets")

	before = live()
	crafted := make(map[int]int, chained)
	kept = crafted
	h, hash := classicOf(crafted), mapType(crafted).hasher
	// 2,500 buckets get forty entries each, the others none.
	counts := make([]uint8, 1<<h.log)
	bad := make([]int, 0, chained)
	for i := 0; len(bad) < chained; i++ {
		k := key(i)
		bucket := int(hash(unsafe.Pointer(&k), uintptr(h.seed))) & (1<<h.log - 1)
		if bucket < chained/40 && counts[bucket] < 40 {
			counts[bucket]++
			bad = append(bad, k)
			crafted[k] = i
		}
	}
	counts = nil
	kept = []any{spread, crafted, bad, keys}
	own := change(before, live()) - 8*chained
	report("bytes of 100,000 ints, crafted", own, "bytes")
	_, longest = chains(crafted)
	report("longest chain, crafted", float64(longest), "buckets")
	quick, slow := newLookups(spread, keys), newLookups(crafted, bad)
	// Who shares the processor's caches makes all lookups slow; then it takes more rounds to find the least.
	for round := 0; round < 31 || round < 310 && slow.time() < 1.3*quick.time(); round++ {
		quick.run()
		slow.run()
	}
	report("time of a lookup, crafted over spread", slow.time()/quick.time(), "")
}

// Lookups in a row that are timed together: for less time than a busy machine leaves a program
// undisturbed.
const timedLookups = 500

// lookups looks up every key, in an order that is not that of the inserts: early keys lie in the first
// bucket of a chain, late ones in its last. Of each part the least time of many rounds counts, in which
// other work disturbed it least.
type lookups struct {
	m     map[int]int
	keys  []int
	least []float64
}

func newLookups(m map[int]int, keys []int) *lookups {
	l := &lookups{m, make([]int, len(keys)), make([]float64, len(keys)/timedLookups)}
	for i := range l.keys {
		l.keys[i] = keys[i*61_803%len(keys)]
	}
	for i := range l.least {
		l.least[i] = math.Inf(1)
	}
	return l
}

func (l *lookups) run() {
	for i := range l.least {
		start := time.Now()
		for _, k := range l.keys[i*timedLookups : (i+1)*timedLookups] {
			sink += l.m[k]
		}
		l.least[i] = math.Min(l.least[i], float64(time.Since(start)))
	}
}

func (l *lookups) time() float64 {
	sum := 0.0
	for _, least := range l.least {
		sum += least
	}
	return sum
}

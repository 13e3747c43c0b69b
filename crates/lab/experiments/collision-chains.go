package main

import (
	"sort"
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
	quick := lookups(spread, keys)

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
	// Keys in the order in which they were inserted touch buckets in no order, as above.
	report("time of a lookup, crafted over spread", lookups(crafted, bad)/quick, "")
}

// lookups is the median time of looking up every key.
func lookups(m map[int]int, keys []int) float64 {
	var times []float64
	for round := 0; round < 15; round++ {
		start := time.Now()
		for _, k := range keys {
			sink += m[k]
		}
		times = append(times, float64(time.Since(start)))
	}
	sort.Float64s(times)
	return times[len(times)/2]
}

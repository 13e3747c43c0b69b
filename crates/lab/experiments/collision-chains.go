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
	// The least of many rounds, taken in turn, is what other work disturbed least.
	quick, slow := math.Inf(1), math.Inf(1)
	for round := 0; round < 31; round++ {
		quick = math.Min(quick, lookups(spread, keys))
		slow = math.Min(slow, lookups(crafted, bad))
	}
	report("time of a lookup, crafted over spread", slow/quick, "")
}

// lookups is the time of looking up every key, in an order that is not that of the
// inserts: early keys lie in the first bucket of a chain, late ones in its last.
func lookups(m map[int]int, keys []int) float64 {
	shuffled := make([]int, len(keys))
	for i := range shuffled {
		shuffled[i] = keys[i*61_803%len(keys)]
	}
	start := time.Now()
	for _, k := range shuffled {
		sink += m[k]
	}
	return float64(time.Since(start))
}

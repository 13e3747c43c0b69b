package main

import "testing"

func init() { register("small-maps", smallMaps) }

func smallMaps() {
	quiet()
	for _, n := range []int{0, 1, 8, 9} {
		const count = 500
		made := make([]map[int]int, count)
		bytes, objects := allocated(func() {
			for i := range made {
				made[i] = make(map[int]int)
				for j := 0; j < n; j++ {
					made[i][j] = j
				}
			}
		})
		reportAt("bytes allocated, by entries", n, float64(bytes)/count, "bytes")
		reportAt("objects allocated, by entries", n, float64(objects)/count, "objects")
		local := testing.AllocsPerRun(200, func() {
			m := make(map[int]int)
			for j := 0; j < n; j++ {
				m[j] = j
			}
			sink += len(m)
		})
		reportAt("objects allocated by a map that stays in its function, by entries", n, local, "objects")
	}
	// Reading what is not there.
	m := map[int]int{1: 1}
	kept = m
	_, objects := allocated(func() {
		for i := 0; i < 1000; i++ {
			value, ok := m[i+2]
			sink += value
			if ok {
				sink++
			}
		}
	})
	report("objects allocated by 1,000 reads of absent keys", float64(objects), "objects")
	report("entries after reading absent keys", float64(len(m)), "entries")
	m[7] = 0
	report("entries after storing a zero", float64(len(m)), "entries")
}

var sink int

package main

import "runtime"

func init() { register("phases", phases) }

// Where no table of a Swiss map is about to split: which have by then would be chance.
const phaseStep = 10_000

func phases() {
	quiet()
	const n, most = 100_000, 125_000
	before := live()
	m := make(map[int]int)
	kept = m
	report("live bytes after make", change(before, live()), "bytes")
	last, steps := 0.0, 0
	point := func(entries int) {
		now := change(before, live())
		reportAt("live bytes while it fills, by entries", entries, now, "bytes")
		if last > 0 && now > 1.36*last && entries <= n {
			steps++
			reportAt("entries at which that steps up by more than a third, by step", steps, float64(entries), "entries")
		}
		last = now
	}
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	for i := 0; i < n; i++ {
		m[key(i)] = i
		if (i+1)%phaseStep == 0 {
			point(i + 1)
		}
	}
	runtime.ReadMemStats(&end)
	report("bytes allocated by 100,000 inserts", float64(end.TotalAlloc-start.TotalAlloc), "bytes")
	for i := n; i < most; i++ {
		m[key(i)] = i
		if (i+1)%phaseStep == 0 {
			point(i + 1)
		}
	}
	full := change(before, live())
	runtime.ReadMemStats(&start)
	for i := 0; i < most/2; i++ {
		delete(m, key(i))
	}
	report("bytes that deleting half frees", full-change(before, live()), "bytes")
	runtime.ReadMemStats(&end)
	report("bytes by which TotalAlloc falls meanwhile", change(end.TotalAlloc, start.TotalAlloc), "bytes")
	runtime.KeepAlive(m)
}

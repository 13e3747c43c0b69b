package main

func init() { register("growth-points", growthPoints) }

func growthPoints() {
	m := make(map[int]int)
	kept = m
	report("slots before the first insert", float64(slots(m)), "slots")
	room, points := 0, 0
	for i := 1; points < 8; i++ {
		m[key(i)] = i
		now := slots(m)
		if i == 1 {
			report("slots after the first insert", float64(now), "slots")
		} else if now > room {
			// The first seven growths of a Swiss map are those of one table; then tables split where
			// they are full, which is a matter of the seed.
			points++
			if points < 8 {
				reportAt("insert that grows the map", points, float64(i), "entries")
				reportAt("slots after that", points, float64(now), "slots")
			}
		}
		room = now
	}
	for _, hint := range []int{4, 8, 9, 100, 500} {
		reportAt("slots by the hint of make", hint, float64(slots(make(map[int]int, hint))), "slots")
	}
}

package main

func init() { register("growth-bytes", growthBytes) }

func growthBytes() {
	quiet()
	// The least of several maps: the runtime may make something for itself meanwhile.
	var least [5]uint64
	room := 0
	for n := 0; n < 8; n++ {
		m := make(map[int]int)
		kept = m
		m[key(1)] = 1
		room = slots(m)
		for i, points := 2, 0; points < len(least); i++ {
			bytes, _ := allocated(func() { m[key(i)] = i })
			if now := slots(m); now > room {
				if n == 0 || bytes < least[points] {
					least[points] = bytes
				}
				points++
				room = now
			}
		}
	}
	for i, bytes := range least {
		reportAt("bytes of the insert that grows", i+1, float64(bytes), "bytes")
	}

	// The insert that grows a map made for 1024 entries. Which of two tables is full first, and when, is
	// chance, so that it is the mean of many maps.
	const maps = 100
	inserts, bytes := 0, uint64(0)
	for n := 0; n < maps; n++ {
		hinted := make(map[int]int, 1024)
		kept = hinted
		room = slots(hinted)
		for i := 1; slots(hinted) == room; i++ {
			inserts++
			if n > 0 {
				hinted[key(i)] = i
				continue
			}
			bytes, _ = allocated(func() { hinted[key(i)] = i })
		}
	}
	report("insert that grows a map made for 1,024", float64(inserts)/maps, "entries")
	report("its bytes", float64(bytes), "bytes")
	kept = nil

	before := live()
	few := filled(1024, 1024)
	kept = few
	middle := live()
	for i := 1024; i < 50000; i++ {
		few[key(i)] = i
	}
	after := live()
	kept = nil
	report("live bytes gained from 1,024 to 50,000 entries", float64(after)-float64(middle), "bytes")
	report("live bytes of 1,024 entries", float64(middle)-float64(before), "bytes")
}

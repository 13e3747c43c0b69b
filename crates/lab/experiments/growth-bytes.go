package main

func init() { register("growth-bytes", growthBytes) }

func growthBytes() {
	quiet()
	m := make(map[int]int)
	kept = m
	m[key(1)] = 1
	room := slots(m)
	for i, points := 2, 0; points < 5; i++ {
		bytes, _ := allocated(func() { m[key(i)] = i })
		if now := slots(m); now > room {
			points++
			reportAt("bytes of the insert that grows", points, float64(bytes), "bytes")
			room = now
		}
	}

	// The insert that grows a map made for 1024 entries.
	hinted := make(map[int]int, 1024)
	kept = hinted
	room = slots(hinted)
	for i := 1; ; i++ {
		bytes, _ := allocated(func() { hinted[key(i)] = i })
		if slots(hinted) > room {
			report("insert that grows a map made for 1,024", float64(i), "entries")
			report("its bytes", float64(bytes), "bytes")
			break
		}
	}
	kept, m, hinted = nil, nil, nil

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

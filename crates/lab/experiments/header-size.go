package main

func init() { register("header-size", headerSize) }

func headerSize() {
	quiet()
	const count = 1000
	made := make([]map[int]int, count)
	bytes, objects := allocated(func() {
		for i := range made {
			made[i] = make(map[int]int)
		}
	})
	report("header", float64(bytes)/count, "bytes")
	report("objects of a map never written", float64(objects)/count, "objects")
	m := filled(5, 0)
	report("first word of a map of five", float64(*(*int)(dataOf(m))), "")
}

package main

func init() { register("overflow-count", overflowCount) }

func overflowCount() {
	quiet()
	if isSwiss() {
		return
	}
	for _, log := range []int{8, 12, 15, 17} {
		n := loadByTwo()<<log/2 - 10
		m := filled(n, n)
		kept = m
		counted := float64(classicOf(m).noverflow)
		there, _ := chains(m)
		reportAt("overflow buckets that are there, by log2 of buckets", log, float64(there), "buckets")
		reportAt("the runtime's count as a share of that, by log2 of buckets", log, counted/float64(there), "")
	}
}

package main

import "strings"

func init() { register("write-barrier", writeBarrier) }

const writeBarrierProgram = `package main

//go:noinline
func storePointer(m map[int]*int, k int, v *int) { m[k] = v }

//go:noinline
func storeNumber(m map[int]int, k int, v int) { m[k] = v }

//go:noinline
func storeText(m map[int]string, k int, v string) { m[k] = v }

//go:noinline
func readPointer(m map[int]*int, k int) *int { return m[k] }

//go:noinline
func removePointer(m map[int]*int, k int) { delete(m, k) }

func main() {
	m, n, t := map[int]*int{}, map[int]int{}, map[int]string{}
	storePointer(m, 1, new(int))
	storeNumber(n, 1, 1)
	storeText(t, 1, "a")
	readPointer(m, 1)
	removePointer(m, 1)
}
`

func writeBarrier() {
	write("barrier", writeBarrierProgram)
	listing, err := goCommand("build", "-gcflags=-S", "-o", "program", ".")
	if err != nil {
		fail("%v: %s", err, listing)
	}
	calls := map[string]int{}
	function := ""
	for _, line := range strings.Split(listing, "\n") {
		if strings.Contains(line, " STEXT ") {
			function = strings.Fields(line)[0]
			function = function[strings.LastIndex(function, ".")+1:]
		}
		if strings.Contains(line, "CALL") && strings.Contains(line, "gcWriteBarrier") {
			calls[function]++
		}
	}
	for _, f := range []struct{ function, name string }{
		{"storePointer", "a store of a pointer in a map asks whether a barrier is needed"},
		{"storeText", "a store of a string in a map asks"},
		{"storeNumber", "a store of a number in a map asks"},
		{"readPointer", "a read of a pointer asks"},
		{"removePointer", "a call of delete asks, in the caller"},
	} {
		report(f.name, truth(calls[f.function] > 0), "")
	}
}

package main

import (
	"fmt"
	"testing"
)

func init() { register("interfaces", interfaces) }

var sinkAny any

func interfaces() {
	for _, n := range []int{1, 10, 100, 1000} {
		m := filled(n, n)
		kept = m
		reportAt("objects allocated by printing a map, by entries", n,
			testing.AllocsPerRun(50, func() { sink += len(fmt.Sprintf("%v", m)) }), "objects")
	}
	m := filled(10, 10)
	report("objects allocated by putting a map in an interface",
		testing.AllocsPerRun(100, func() { sinkAny = m }), "objects")
	number := 100_000
	report("objects allocated by putting an int in an interface",
		testing.AllocsPerRun(100, func() { number++; sinkAny = number }), "objects")
	report("objects allocated by putting a small int in an interface",
		testing.AllocsPerRun(100, func() { sinkAny = number & 7 }), "objects")
	report("objects allocated by putting a zero [1024]byte in an interface",
		testing.AllocsPerRun(100, func() { sinkAny = [1024]byte{} }), "objects")
	report("objects allocated by putting another [1024]byte in an interface",
		testing.AllocsPerRun(100, func() { var b [1024]byte; b[number&1023] = 1; sinkAny = b }), "objects")
	report("objects allocated by a make that is thrown away",
		testing.AllocsPerRun(100, func() { _ = make([]byte, 16) }), "objects")
	anys := make(map[int]any, 4)
	kept = anys
	report("objects allocated by storing an int in a map[int]any",
		testing.AllocsPerRun(100, func() { number++; anys[1] = number }), "objects")
}

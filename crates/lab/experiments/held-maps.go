package main

import (
	"runtime"
	"time"
)

func init() { register("held-maps", heldMaps) }

func heldMaps() {
	quiet()
	const n = 100_000
	before := live()
	m := filled(n, n)
	full := change(before, live())
	replaced := m
	hold := func() int { return len(replaced) }
	m = nil
	report("share of the map that a closure keeps", change(before, live())/full, "")
	runtime.KeepAlive(hold)
	hold, replaced = nil, nil
	report("share left when the closure is dropped", change(before, live())/full, "")

	waiting, done := make(chan int), make(chan bool)
	m = filled(n, n)
	go func(m map[int]int) {
		<-waiting
		sink += len(m)
		done <- true
	}(m)
	time.Sleep(time.Millisecond)
	m = nil
	report("share of the map that a waiting goroutine keeps", change(before, live())/full, "")
	waiting <- 1
	<-done
	time.Sleep(time.Millisecond)
	report("share left when the goroutine has ended", change(before, live())/full, "")

	dead := filled(n, n)
	sink += len(dead)
	// The variable is in scope to the end of the function, and not used again.
	report("share that a variable keeps after its last use", change(before, live())/full, "")
}

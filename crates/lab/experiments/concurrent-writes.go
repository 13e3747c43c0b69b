package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

func init() {
	register("concurrent-writes", concurrentWrites)
	register("concurrent-writes-child", concurrentWritesChild)
}

func concurrentWritesChild() {
	runtime.GOMAXPROCS(4)
	m := map[int]int{}
	for w := 0; w < 4; w++ {
		go func(w int) {
			for i := 0; ; i++ {
				m[i&1023] = w
			}
		}(w)
	}
	time.Sleep(20 * time.Second)
}

func concurrentWrites() {
	output, err := exec.Command(os.Args[0], "concurrent-writes-child").CombinedOutput()
	report("four writers end the program", truth(err != nil), "")
	report("it says that a map was written concurrently", truth(strings.Contains(string(output), "fatal error: concurrent map writes")), "")
}

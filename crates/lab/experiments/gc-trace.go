package main

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"strings"
)

func init() {
	register("gc-trace", gcTrace)
	register("gc-trace-child", gcTraceChild)
}

func gcTraceChild() {
	for i := 0; i < 20; i++ {
		kept = filled(10_000, 10_000)
		runtime.GC()
	}
	debug.FreeOSMemory()
}

func gcTrace() {
	run := func(setting string) string {
		command := exec.Command(os.Args[0], "gc-trace-child")
		command.Env = append(os.Environ(), "GODEBUG="+setting)
		output, err := command.CombinedOutput()
		if err != nil {
			fail("%v: %s", err, output)
		}
		return string(output)
	}
	lines := run("gctrace=1")
	scavenger := run("scavtrace=1")
	report("lines of gctrace=1", truth(strings.Count(lines, "\ngc ") >= 10), "")
	for _, word := range []string{"scvg", "heap_alloc", "root"} {
		report("lines of gctrace=1 with "+word, float64(strings.Count(lines, word)), "lines")
	}
	report("scavtrace=1 prints lines of the scavenger", truth(strings.Contains(scavenger, "scav ")), "")

	var record bytes.Buffer
	if err := trace.Start(&record); err != nil {
		fail("%v", err)
	}
	const count = 300_000
	for i := 0; i < count; i++ {
		sinkAny = new(int)
	}
	trace.Stop()
	report("an execution trace has an event for each allocation", truth(record.Len() > count), "")
}

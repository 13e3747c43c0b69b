// What the programs of all experiments share. Each experiment is a file of this
// package that registers itself; the built program runs the one it is told to.
//
// A figure is printed as a line of its own, with tabs between:
//
//	QUANTITY	name	value	unit
//
// A point of a series has its place behind the name: "growth point@3".
//
// Types whose name starts with peek are Go's own, drawn again, to look into maps
// from inside. They fit Go 1.19 to 1.27 on 64 bits.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

type experiment struct {
	name string
	run  func()
}

var experiments []experiment

// The rate before anything changed it.
var firstMemProfileRate = runtime.MemProfileRate

func register(name string, run func()) {
	experiments = append(experiments, experiment{name, run})
}

func main() {
	runtime.MemProfileRate = 0
	for _, e := range experiments {
		if len(os.Args) > 1 && e.name == os.Args[1] {
			e.run()
			return
		}
	}
	fail("no experiment is called %q", os.Args[1:])
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func report(name string, value float64, unit string) {
	fmt.Printf("QUANTITY\t%s\t%s\t%s\n", name, strconv.FormatFloat(value, 'f', -1, 64), unit)
}

func reportAt(name string, at int, value float64, unit string) {
	report(name+"@"+strconv.Itoa(at), value, unit)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// release is n of Go 1.n.
func release() int {
	text := strings.TrimPrefix(runtime.Version(), "go1.")
	end := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	if end >= 0 {
		text = text[:end]
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		fail("%s is no release", runtime.Version())
	}
	return n
}

func isSwiss() bool {
	return release() >= 24 && !strings.Contains(runtime.Version(), "noswissmap")
}

// loadByTwo is how many entries two buckets take before a classic map grows.
func loadByTwo() int {
	if release() == 21 {
		return 12
	}
	return 13
}

// quiet leaves one processor and no collection but those that are asked for.
func quiet() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	time.Sleep(time.Millisecond)
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
}

// live is the memory that objects take once all garbage is gone. The least of
// several measures is the true one: the runtime may hold something for a moment.
func live() uint64 {
	bytes, _ := liveObjects()
	return bytes
}

func liveObjects() (bytes, objects uint64) {
	bytes, objects = ^uint64(0), ^uint64(0)
	for i := 0; i < 4; i++ {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		if i > 0 && stats.HeapAlloc < bytes {
			bytes = stats.HeapAlloc
		}
		if i > 0 && stats.HeapObjects < objects {
			objects = stats.HeapObjects
		}
	}
	return bytes, objects
}

// change is the second less the first, and no less than nothing.
func change(before, after uint64) float64 {
	if after < before {
		return 0
	}
	return float64(after - before)
}

var probe runtime.MemStats

// allocated is what a call allocates. Call quiet first.
func allocated(call func()) (bytes, objects uint64) {
	runtime.ReadMemStats(&probe)
	bytes, objects = probe.TotalAlloc, probe.Mallocs
	call()
	runtime.ReadMemStats(&probe)
	return probe.TotalAlloc - bytes, probe.Mallocs - objects
}

// keys are numbers that look random and are the same in every run.
func key(i int) int {
	x := uint64(i)*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return int(x >> 1)
}

func filled(n, hint int) map[int]int {
	m := make(map[int]int, hint)
	for i := 0; i < n; i++ {
		m[key(i)] = i
	}
	return m
}

type peekInterface struct {
	ty   *peekMapType
	data unsafe.Pointer
}

type peekType struct {
	size         uintptr
	pointerBytes uintptr
	hash         uint32
	flags        uint8
	align        uint8
	fieldAlign   uint8
	kind         uint8
	equal        uintptr
	mask         unsafe.Pointer
	name, ptr    int32
}

type peekMapType struct {
	peekType
	key, elem, group *peekType
	hasher           func(unsafe.Pointer, uintptr) uintptr
}

// peekClassic is the header of a map with buckets.
type peekClassic struct {
	count      int
	flags, log uint8
	noverflow  uint16
	seed       uint32
	buckets    unsafe.Pointer
	old        unsafe.Pointer
	evacuated  uintptr
	extra      *peekExtra
}

type peekExtra struct {
	overflow, oldOverflow *[]unsafe.Pointer
	nextOverflow          unsafe.Pointer
}

// peekSwiss is the header of a Swiss map.
type peekSwiss struct {
	used      uint64
	seed      uintptr
	directory unsafe.Pointer
	length    int
	depth     uint8
	shift     uint8
	writing   uint8
}

type peekTable struct {
	used, capacity, growthLeft uint16
	depth                      uint8
	index                      int
	groups                     unsafe.Pointer
	mask                       uint64
}

func mapType(m any) *peekMapType     { return (*peekInterface)(unsafe.Pointer(&m)).ty }
func classicOf(m any) *peekClassic   { return (*peekClassic)((*peekInterface)(unsafe.Pointer(&m)).data) }
func swissOf(m any) *peekSwiss       { return (*peekSwiss)((*peekInterface)(unsafe.Pointer(&m)).data) }
func word(at unsafe.Pointer) uintptr { return *(*uintptr)(at) }

// tables lists a Swiss map's tables, each once; none for a map of one group.
func tables(m any) []*peekTable {
	s := swissOf(m)
	var list []*peekTable
	for i := 0; i < s.length; i++ {
		t := *(**peekTable)(unsafe.Add(s.directory, i*8))
		if len(list) == 0 || list[len(list)-1] != t {
			list = append(list, t)
		}
	}
	return list
}

// slots is the room for entries: of a classic map, without overflow buckets.
func slots(m any) int {
	if !isSwiss() {
		h := classicOf(m)
		if h.buckets == nil {
			return 0
		}
		return 8 << h.log
	}
	if swissOf(m).length == 0 {
		if swissOf(m).directory == nil {
			return 0
		}
		return 8
	}
	n := 0
	for _, t := range tables(m) {
		n += int(t.capacity)
	}
	return n
}

// chains counts the overflow buckets of a classic map, and the buckets of its
// longest chain.
func chains(m any) (overflow, longest int) {
	h, size := classicOf(m), mapType(m).group.size
	if h.buckets == nil {
		return 0, 0
	}
	for i := 0; i < 1<<h.log; i++ {
		length := 1
		bucket := unsafe.Add(h.buckets, uintptr(i)*size)
		for {
			bucket = *(*unsafe.Pointer)(unsafe.Add(bucket, size-8))
			if bucket == nil {
				break
			}
			overflow++
			length++
		}
		if length > longest {
			longest = length
		}
	}
	return overflow, longest
}

// goCommand runs the toolchain that built this program, in the current folder.
func goCommand(arguments ...string) (output string, err error) {
	command := exec.Command(os.Getenv("TOPHASH_GO"), arguments...)
	bytes, err := command.CombinedOutput()
	return string(bytes), err
}

// write puts a Go program into a new folder of the current one.
func write(folder, source string) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		fail("%v", err)
	}
	module := "module experiment\n\ngo 1." + strconv.Itoa(release()) + "\n"
	for name, text := range map[string]string{"main.go": source, "go.mod": module} {
		if err := os.WriteFile(folder+"/"+name, []byte(text), 0o644); err != nil {
			fail("%v", err)
		}
	}
	if err := os.Chdir(folder); err != nil {
		fail("%v", err)
	}
}

func dataOf(m any) unsafe.Pointer { return (*peekInterface)(unsafe.Pointer(&m)).data }

// countMoved counts the old buckets of a map[int]int whose first mark says that they were moved.
func countMoved(old unsafe.Pointer, length int) int {
	moved := 0
	for i := 0; i < length; i++ {
		if mark := *(*uint8)(unsafe.Add(old, i*144)); mark >= 2 && mark <= 4 {
			moved++
		}
	}
	return moved
}

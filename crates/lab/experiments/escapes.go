package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func init() { register("escapes", escapes) }

// Each function is on a line of its own, so that the compiler's remarks name it.
const escapesProgram = `package main

import "fmt"

var sink int
var global *int

func local() { m := make(map[string]string); m["a"] = "b"; sink += len(m) }
func localAny() { m := make(map[string]any); m["a"] = nil; sink += len(m) }
func localWide() { m := make(map[int][200]byte); m[1] = [200]byte{}; sink += len(m) }
func returned() map[string]int { m := make(map[string]int); m["a"] = 1; return m }
func closed() func() int { m := make(map[string]int); return func() int { return len(m) } }
func started() { m := make(map[string]int); go func() { sink += len(m) }() }
func printed() { m := make(map[string]int); fmt.Println(m) }
func copied() map[string]int { m := make(map[string]int); mCopy := m; return mCopy }
func byValue(m map[string]int) int { return len(m) }
func callsByValue() { m := make(map[string]int); m["a"] = 1; sink += byValue(m) }
func byPointer(m *map[string]int) int { return len(*m) }
func callsByPointer() { m := make(map[string]int); m["a"] = 1; sink += byPointer(&m) }
func startsByValue() { m := make(map[string]int); go byValue(m) }
func startsByPointer() { m := make(map[string]int); go byPointer(&m) }
func adder(x int) func(int) int { return func(y int) int { return x + y } }
func writes() { m := make(map[int]int); m[1] = 1; m[2] = 2; delete(m, 1); sink += len(m) }
func storesPointer(m map[int]*int) { p := new(int); m[1] = p }
func keepsPointer() { p := new(int); *p = 1; sink += *p }

func main() {
	local(); localAny(); localWide(); returned(); closed(); started(); printed(); copied(); callsByValue()
	callsByPointer(); startsByValue(); startsByPointer(); adder(1); writes()
	storesPointer(map[int]*int{}); keepsPointer()
}
`

func escapes() {
	write("escapes", escapesProgram)
	remarks, err := goCommand("build", "-gcflags=-m -l", "-o", "program", ".")
	if err != nil {
		fail("%v: %s", err, remarks)
	}
	lines := strings.Split(escapesProgram, "\n")
	escapes, movesX, said := map[string]bool{}, false, map[string]bool{}
	pattern := regexp.MustCompile(`main\.go:(\d+):\d+: (.*)`)
	for _, match := range pattern.FindAllStringSubmatch(remarks, -1) {
		line, _ := strconv.Atoi(match[1])
		name := strings.TrimPrefix(lines[line-1], "func ")
		name = name[:strings.IndexAny(name, "(")]
		said[name] = true
		if (strings.HasPrefix(match[2], "make(map") || strings.HasPrefix(match[2], "new(int)")) &&
			strings.Contains(match[2], "escapes to heap") {
			escapes[name] = true
		}
		if name == "adder" && strings.Contains(match[2], "moved to heap: x") {
			movesX = true
		}
		if strings.Contains(match[2], "moved to heap: m") && name == "writes" {
			escapes["moved to heap: m"] = true
		}
	}
	for _, f := range []struct{ function, name string }{
		{"local", "a local map[string]string goes to the heap"},
		{"localAny", "a local map[string]any goes to the heap"},
		{"localWide", "a local map[int][200]byte goes to the heap"},
		{"writes", "a local map that is written to goes to the heap"},
		{"returned", "a map that is returned goes to the heap"},
		{"closed", "a map that a returned closure uses goes to the heap"},
		{"started", "a map that a goroutine uses goes to the heap"},
		{"copied", "a map that is returned as a copy of the variable goes to the heap"},
		{"callsByValue", "a map passed by value goes to the heap"},
		{"callsByPointer", "a map passed by pointer goes to the heap"},
		{"startsByValue", "a map passed by value to a goroutine goes to the heap"},
		{"startsByPointer", "a map passed by pointer to a goroutine goes to the heap"},
		{"printed", "a map that is printed goes to the heap"},
		{"storesPointer", "new(int) stored in a map goes to the heap"},
		{"keepsPointer", "new(int) that is not stored goes to the heap"},
	} {
		if !said[f.function] {
			fail("the compiler says nothing of %s:\n%s", f.function, remarks)
		}
		report(f.name, truth(escapes[f.function]), "")
	}
	report("a captured integer that nobody changes is moved to the heap", truth(movesX), "")
	report("the compiler says of a written map that it was moved to the heap", truth(escapes["moved to heap: m"]), "")
	report("objects allocated by a local map that is written to", testing.AllocsPerRun(100, func() {
		m := make(map[int]int)
		m[1] = 1
		delete(m, 1)
		sink += len(m)
	}), "objects")
	wide := testing.AllocsPerRun(100, func() {
		m := make(map[int][200]byte)
		m[1] = [200]byte{1}
		sink += len(m)
	})
	report("objects allocated by a local map with one elem of 200 bytes", wide, "objects")
}

package main

import (
	"encoding/json"
	"os/exec"
	"strings"
)

func init() { register("profile-window", profileWindow) }

// A server keeps a map from before the window and makes another within it.
const profileWindowProgram = `package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	_ "net/http/pprof"
	"runtime"
	"time"
)

//go:noinline
func early() map[int]int { m := map[int]int{}; for i := 0; i < 100000; i++ { m[i] = i }; return m }

//go:noinline
func late() map[int]int { m := map[int]int{}; for i := 0; i < 100000; i++ { m[i] = i }; return m }

func names(url string) (first, second bool, collections uint32) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := http.Get(url)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	reader, err := gzip.NewReader(answer.Body)
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		panic(err)
	}
	runtime.ReadMemStats(&after)
	return bytes.Contains(text, []byte("main.early")), bytes.Contains(text, []byte("main.late")), after.NumGC - before.NumGC
}

func main() {
	runtime.MemProfileRate = 512
	server := httptest.NewServer(http.DefaultServeMux)
	first := early()
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	// From before the window to its end, so that some are made within it however late it begins.
	ended, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			late()
			runtime.GC()
			select {
			case <-ended:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	found := map[string]bool{}
	found["early"], found["late"], _ = names(server.URL + "/debug/pprof/heap?seconds=2")
	close(ended)
	<-done
	var collections uint32
	found["early in whole"], _, collections = names(server.URL + "/debug/pprof/heap?gc=1")
	found["collected"] = collections > 0
	text, _ := json.Marshal(found)
	fmt.Println(string(text))
	runtime.KeepAlive(first)
}
`

func profileWindow() {
	write("window", profileWindowProgram)
	if output, err := goCommand("build", "-o", "program", "."); err != nil {
		fail("%v: %s", err, output)
	}
	output, err := exec.Command("./program").CombinedOutput()
	if err != nil {
		fail("%v: %s", err, output)
	}
	found := map[string]bool{}
	if err := json.Unmarshal([]byte(strings.TrimSpace(string(output))), &found); err != nil {
		fail("%v: %s", err, output)
	}
	report("heap?seconds=2 shows a map from before the window", truth(found["early"]), "")
	report("heap?seconds=2 shows a map from within the window", truth(found["late"]), "")
	report("heap shows the map from before", truth(found["early in whole"]), "")
	report("heap?gc=1 runs a collection", truth(found["collected"]), "")
}

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func init() { register("names", names) }

// Names that the folklore gives to parts of the runtime, and some that are there.
var namesTold = []string{
	"markedBuckets", "scanmap", "markRootMapBuckets", "mheap.freeList", "allocSpanLocked", "gcDumpRoots",
	"freeBucket", "alghash", "mapassign", "evacuate", "scanobject",
}

func names() {
	root := os.Getenv("GOROOT")
	if link, err := filepath.EvalSymlinks(filepath.Join(root, "src")); err == nil {
		root = filepath.Dir(link)
	}
	counts := make([]int, len(namesTold))
	patterns := make([]*regexp.Regexp, len(namesTold))
	for i, name := range namesTold {
		patterns[i] = regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
	}
	files, assembly := 0, 0
	for _, folder := range []string{"runtime", "internal/runtime/maps"} {
		filepath.WalkDir(filepath.Join(root, "src", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			if strings.HasSuffix(path, ".s") && strings.HasPrefix(filepath.Base(path), "map_fast") {
				assembly++
			}
			if !strings.HasSuffix(path, ".go") {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			files++
			for i, pattern := range patterns {
				if pattern.Match(text) {
					counts[i]++
				}
			}
			return nil
		})
	}
	if files < 100 {
		fail("only %d files of the runtime's source are in %s", files, root)
	}
	for i, name := range namesTold {
		report("the runtime's source has "+name, truth(counts[i] > 0), "")
	}
	report("the runtime's source has map_fast*.s", truth(assembly > 0), "")
}

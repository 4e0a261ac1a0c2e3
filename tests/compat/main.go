// Command compat holds our .c1z files against the Go SDK's own reader and against every rule of the file contract
// (c1z.md §13.2).
//
//	compat check FILE...         rules, SDK reader, validators, references, conversion
//	compat both DIR              the same directories in both engines, call by call, and merged
//	compat refuse GOOD DIR       damages a good file once per rule and demands that each is refused for its own rule
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: compat check FILE... | compat both DIR | compat refuse GOOD DIR")
		os.Exit(64)
	}
	ctx := context.Background()
	failed := 0
	switch os.Args[1] {
	case "check":
		for _, file := range os.Args[2:] {
			if err := checkFile(ctx, file); err != nil {
				failed++
				fmt.Printf("FAIL %s: %v\n", file, err)
				continue
			}
			fmt.Printf("ok   %s\n", file)
		}
	case "both":
		failed = compareBoth(ctx, os.Args[2])
	case "refuse":
		failed = refuse(ctx, os.Args[2], os.Args[3])
	default:
		fmt.Fprintf(os.Stderr, "unknown command %s\n", os.Args[1])
		os.Exit(64)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// checkFile runs every check on one file.
func checkFile(ctx context.Context, file string) error {
	dir, err := os.MkdirTemp("", "compat-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	v1, err := isV1(file)
	if err != nil {
		return err
	}
	if v1 {
		if err := checkRules(file, dir); err != nil {
			return err
		}
	}
	seen, err := readAll(ctx, file)
	if err != nil {
		return fmt.Errorf("SDK reader: %w", err)
	}
	if err := errors.Join(seen.checkReferences(), seen.checkMachines()); err != nil {
		return err
	}
	if err := runViews(file, dir, seen); err != nil {
		return err
	}
	if !v1 {
		return checkReopened(ctx, file, dir, seen)
	}
	if !seen.full {
		return nil
	}
	return checkConverted(ctx, file, dir, seen)
}

// refuse damages a good file and reports every damage that is not refused for its rule.
func refuse(ctx context.Context, good, dir string) int {
	if err := checkFile(ctx, good); err != nil {
		fmt.Printf("FAIL the good file is refused: %v\n", err)
		return 1
	}
	failed := 0
	names := make([]string, 0, len(damages))
	for name := range damages {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		damage := damages[name]
		file := filepath.Join(dir, name+".c1z")
		if err := damage.make(good, file, dir); err != nil {
			fmt.Printf("FAIL %s could not be made: %v\n", name, err)
			failed++
			continue
		}
		err := checkFile(ctx, file)
		switch {
		case err == nil:
			fmt.Printf("FAIL %s is accepted\n", name)
			failed++
		case !refusedFor(err, damage.rule):
			fmt.Printf("FAIL %s is refused for another rule than %d: %v\n", name, damage.rule, err)
			failed++
		default:
			fmt.Printf("ok   %s: %v\n", name, err)
		}
	}
	return failed
}

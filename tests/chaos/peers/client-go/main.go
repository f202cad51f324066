// The peer of the chaos suite: client-go's leader election as a candidate that speaks the suite's lines. Each line begins with the machine's CLOCK_MONOTONIC in nanoseconds, read by a system call of its own.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

var (
	server    = flag.String("server", "", "the API server")
	namespace = flag.String("namespace", "", "of the Lease")
	name      = flag.String("name", "", "of the Lease")
	identity  = flag.String("identity", "", "of this candidate")
	lease     = flag.Duration("lease", 15*time.Second, "LeaseDuration")
	renew     = flag.Duration("renew", 10*time.Second, "RenewDeadline")
	retry     = flag.Duration("retry", 2*time.Second, "RetryPeriod")
	release   = flag.Bool("release", false, "ReleaseOnCancel")
)

var output sync.Mutex
var out = bufio.NewWriter(os.Stdout)

// The clock that all processes of the machine share; no patched or preloaded clock answers this.
func now() int64 {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

func say(at int64, format string, words ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Fprintf(out, "%d "+format+"\n", append([]any{at}, words...)...)
	out.Flush()
}

// What the Go runtime believes of the time: the wall clock, and the monotonic one since the start.
func clocks(start time.Time) {
	for {
		t := time.Now()
		say(now(), "clock %d %d 0", t.UnixNano(), t.Sub(start).Nanoseconds())
		time.Sleep(200 * time.Millisecond)
	}
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go clocks(time.Now())
	// The timeout that controller-runtime gives it.
	config := &rest.Config{Host: *server, Timeout: max(time.Second, *renew/2), UserAgent: *identity}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *name},
		Client:     coordination.NewForConfigOrDie(config),
		LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
	}
	say(now(), "ready")
	for ctx.Err() == nil {
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: *lease, RenewDeadline: *renew, RetryPeriod: *retry, ReleaseOnCancel: *release,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: lead, OnStoppedLeading: func() {}},
		})
	}
	say(now(), "done")
}

// Work that is done as long as client-go says that it may be: the moment is read before client-go is asked.
func lead(ctx context.Context) {
	for first := true; ; first = false {
		at := now()
		if ctx.Err() != nil {
			say(now(), "lost")
			return
		}
		if first {
			say(at, "lead 0")
		} else {
			say(at, "valid 0")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

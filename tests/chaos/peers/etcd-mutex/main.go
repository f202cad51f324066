// The peer of the figures: etcd's own mutex (its concurrency package), measured on the etcd of the suite.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var (
	endpoint = flag.String("etcd", "", "its address")
	contend  = flag.Int("waiters", 1, "how many contend")
	cycles   = flag.Int("cycles", 100, "how often it is taken in all")
)

var zero = time.Now()

func now() int64 { return int64(time.Since(zero)) }

func main() {
	flag.Parse()
	measure(*endpoint, *contend, *cycles)
}

// Takes and leaves etcd's mutex, each contender with a session of its own as its recipe needs, and prints how long a
// cycle (one contender) or a hand-off (from the call of Unlock to the return of the next one's Lock) took, in
// nanoseconds: cycles a second, median, 99th percentile.
func measure(endpoint string, waiters, cycles int) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var left, released, inside atomic.Int64
	left.Store(int64(cycles))
	var times []int64
	var together sync.WaitGroup
	begin := now()
	for range waiters {
		together.Go(func() {
			session, err := concurrency.NewSession(client, concurrency.WithTTL(30))
			if err != nil {
				log.Fatal(err)
			}
			defer session.Close()
			mutex := concurrency.NewMutex(session, "/metaparticle-chaos/mutex/")
			ctx := context.Background()
			for left.Add(-1) >= 0 {
				start := now()
				if err := mutex.Lock(ctx); err != nil {
					log.Fatal(err)
				}
				if inside.Add(1) != 1 {
					log.Fatal("two hold etcd's mutex")
				}
				// Only the holder writes: the mutex guards them.
				since := max(start, released.Load())
				if waiters == 1 {
					since = start
				}
				locked := now()
				inside.Add(-1)
				released.Store(now())
				if err := mutex.Unlock(ctx); err != nil {
					log.Fatal(err)
				}
				if waiters == 1 {
					locked = now()
				}
				times = append(times, locked-since)
			}
		})
	}
	together.Wait()
	took := now() - begin
	slices.Sort(times)
	at := func(part float64) int64 { return times[int(float64(len(times)-1)*part)] }
	fmt.Printf("etcd %d %.1f %d %d\n", waiters, float64(len(times))*1e9/float64(took), at(0.5), at(0.99))
}

/* A Channel Access client for load: the real libca with as little around it as can be, so that it is not the bottleneck.
 *
 *   ca_load watch PREFIX COUNT    subscribes to PREFIX0 ... and answers "reset" and "report" on stdin
 *   ca_load connect PREFIX COUNT  connects to PREFIX0 ... once
 *   ca_load get NAME SECONDS      reads one after the other
 *   ca_load put NAME SECONDS      writes with callback, one after the other
 *   ca_load late NAME COUNT       the same with a monitor: how long after a reply does it come, at most?
 *   ca_load churn NAME COUNT      subscribes and unsubscribes on one circuit
 *
 * Each answer is a line of JSON. Values are times of CLOCK_MONOTONIC at which they were posted, in s (of an array: its
 * first element), so that what arrives tells how old it is. Ages are in microseconds, other times in s.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cadef.h>
#include <epicsEvent.h>
#include <epicsMutex.h>

#define QUANTILES 1000

struct channel {
    chid id;
    double value, arrived; /* of the newest monitor */
    int heard;
};

static epicsMutexId lock;
static epicsEventId news;
static struct channel *channels;
static int wanted, connected, heard;
static size_t events, room;
static uint32_t *ages;
static double replied, posted;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void check(int status, const char *what)
{
    if (status != ECA_NORMAL) {
        fprintf(stderr, "ca_load: %s: %s\n", what, ca_message(status));
        exit(1);
    }
}

static void await_all(const int *count, double seconds, const char *what)
{
    double end = now() + seconds;
    while (*(volatile const int *)count < wanted) {
        epicsEventWaitWithTimeout(news, 0.1);
        if (now() > end) {
            fprintf(stderr, "ca_load: %d of %d channels %s after %g s\n", *count, wanted, what, seconds);
            exit(1);
        }
    }
}

static void on_connection(struct connection_handler_args args)
{
    if (args.op == CA_OP_CONN_UP) {
        epicsMutexMustLock(lock);
        if (++connected == wanted)
            epicsEventSignal(news);
        epicsMutexUnlock(lock);
    }
}

static void on_event(struct event_handler_args args)
{
    double time = now();
    const struct dbr_time_double *data = args.dbr;
    struct channel *channel = args.usr;
    if (args.status != ECA_NORMAL || !data)
        return;
    epicsMutexMustLock(lock);
    channel->value = data->value;
    channel->arrived = time;
    if (!channel->heard) {
        channel->heard = 1;
        if (++heard == wanted)
            epicsEventSignal(news);
    }
    if (events == room) {
        room = room ? 2 * room : 1 << 16;
        ages = realloc(ages, room * sizeof *ages);
        if (!ages)
            abort();
    }
    ages[events++] = (uint32_t)(1e6 * (time - data->value));
    epicsMutexUnlock(lock);
}

static void connect_all(const char *prefix, int count)
{
    char name[100];
    wanted = count;
    channels = calloc(count, sizeof *channels);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%d", prefix, i);
        check(ca_create_channel(name, on_connection, NULL, 0, &channels[i].id), name);
    }
    check(ca_flush_io(), "flush");
    await_all(&connected, 60, "connected");
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(void)
{
    double oldest = 1e300, slowest = 0;
    epicsMutexMustLock(lock);
    for (int i = 0; i < wanted; i++) {
        struct channel *c = &channels[i];
        if (c->value < oldest)
            oldest = c->value;
        if (c->arrived - c->value > slowest)
            slowest = c->arrived - c->value;
    }
    qsort(ages, events, sizeof *ages, by_size);
    printf("{\"events\": %zu, \"oldest\": %.9f, \"slowest\": %.9f, \"ages\": [", events, oldest, slowest);
    for (int i = 0; events && i <= QUANTILES; i++)
        printf("%s%u", i ? ", " : "", ages[(events - 1) * i / QUANTILES]);
    printf("]}\n");
    epicsMutexUnlock(lock);
}

static void watch(const char *prefix, int count)
{
    char line[100];
    connect_all(prefix, count);
    for (int i = 0; i < count; i++)
        check(ca_create_subscription(DBR_TIME_DOUBLE, 0, channels[i].id, DBE_VALUE | DBE_ALARM, on_event, &channels[i],
                                     NULL), "subscribe");
    check(ca_flush_io(), "flush");
    await_all(&heard, 60, "heard");
    printf("{\"ready\": true}\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "reset\n")) {
            epicsMutexMustLock(lock);
            events = 0;
            epicsMutexUnlock(lock);
            printf("{}\n");
        } else {
            report();
        }
        fflush(stdout);
    }
}

static void get(const char *name, double seconds)
{
    chid id;
    struct dbr_time_double data;
    size_t count = 0;
    check(ca_create_channel(name, NULL, NULL, 0, &id), name);
    check(ca_pend_io(10), "connect");
    double start = now(), time;
    do {
        check(ca_array_get(DBR_TIME_DOUBLE, 1, id, &data), "get");
        check(ca_pend_io(10), "get");
        count++;
    } while ((time = now()) < start + seconds);
    printf("{\"rate\": %.6g}\n", count / (time - start));
}

static void on_reply(struct event_handler_args args)
{
    check(args.status, "put");
    replied = now();
    epicsEventSignal(news);
}

static void on_post(struct event_handler_args args)
{
    (void)args;
    posted = now();
    epicsEventSignal(news);
}

static void put(const char *name, double seconds)
{
    chid id;
    size_t count = 0;
    double value = 1, start, time;
    check(ca_create_channel(name, NULL, NULL, 0, &id), name);
    check(ca_pend_io(10), "connect");
    start = now();
    do {
        value += 1;
        check(ca_array_put_callback(DBR_DOUBLE, 1, id, &value, on_reply, NULL), "put");
        check(ca_flush_io(), "flush");
        if (epicsEventWaitWithTimeout(news, 10) != epicsEventOK)
            check(ECA_TIMEOUT, "put");
        count++;
    } while ((time = now()) < start + seconds);
    printf("{\"rate\": %.6g}\n", count / (time - start));
}

static void late(const char *name, int puts)
{
    chid id;
    double value = 1, slowest = 0, time;
    check(ca_create_channel(name, NULL, NULL, 0, &id), name);
    check(ca_pend_io(10), "connect");
    check(ca_create_subscription(DBR_TIME_DOUBLE, 1, id, DBE_VALUE, on_post, NULL, NULL), "subscribe");
    check(ca_flush_io(), "flush");
    while (!posted)
        epicsEventWaitWithTimeout(news, 0.1);
    for (int i = 0; i < puts; i++) {
        replied = posted = 0;
        value += 1;
        check(ca_array_put_callback(DBR_DOUBLE, 1, id, &value, on_reply, NULL), "put");
        check(ca_flush_io(), "flush");
        for (time = now(); !(*(volatile double *)&replied && *(volatile double *)&posted);) {
            epicsEventWaitWithTimeout(news, 0.1);
            if (now() > time + 10)
                check(ECA_TIMEOUT, "monitor after a put");
        }
        if (posted - replied > slowest)
            slowest = posted - replied;
    }
    printf("{\"late\": %.9f}\n", slowest);
}

static void churn(const char *name, int count)
{
    chid id;
    evid subscription;
    check(ca_create_channel(name, NULL, NULL, 0, &id), name);
    check(ca_pend_io(10), "connect");
    for (int i = 0; i < count; i++) {
        posted = 0;
        check(ca_create_subscription(DBR_TIME_DOUBLE, 0, id, DBE_VALUE, on_post, NULL, &subscription), "subscribe");
        check(ca_flush_io(), "flush");
        for (double time = now(); !*(volatile double *)&posted;) {
            epicsEventWaitWithTimeout(news, 0.1);
            if (now() > time + 10)
                check(ECA_TIMEOUT, "first monitor");
        }
        check(ca_clear_subscription(subscription), "unsubscribe");
    }
    printf("{\"done\": %d}\n", count);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: ca_load watch|connect|get|put|late|churn NAME NUMBER\n");
        return 2;
    }
    lock = epicsMutexMustCreate();
    news = epicsEventMustCreate(epicsEventEmpty);
    check(ca_context_create(ca_enable_preemptive_callback), "context");
    if (!strcmp(argv[1], "watch")) {
        watch(argv[2], atoi(argv[3]));
    } else if (!strcmp(argv[1], "connect")) {
        double start = now();
        connect_all(argv[2], atoi(argv[3]));
        printf("{\"seconds\": %.6f}\n", now() - start);
    } else if (!strcmp(argv[1], "get")) {
        get(argv[2], atof(argv[3]));
    } else if (!strcmp(argv[1], "put")) {
        put(argv[2], atof(argv[3]));
    } else if (!strcmp(argv[1], "late")) {
        late(argv[2], atoi(argv[3]));
    } else if (!strcmp(argv[1], "churn")) {
        churn(argv[2], atoi(argv[3]));
    } else {
        fprintf(stderr, "ca_load: no mode %s\n", argv[1]);
        return 2;
    }
    fflush(stdout);
    _Exit(0); /* libca takes its time to clear thousands of channels */
}

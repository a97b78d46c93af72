using System.Net;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Fairlead.Balancer.Maps;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer;

/// <summary>
/// Shows packets to those who ask (bpf/tap.h): XDP takes them before tcpdump could see them. A thread of its own reads
/// the ring while somebody watches, and tells the kernel every fifth of a second that somebody still does; a few
/// seconds after it is gone, the program turns the tap off by itself. Any thread may call it.
/// </summary>
public sealed class PacketTap : IDisposable
{
    private const int Sampler = 0;
    private const uint HoldsSeconds = 5;
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(200);

    private readonly Lock gate = new();
    private readonly TimeProvider clock;
    private readonly FlowHash key;
    private readonly TapWatch?[] watches = new TapWatch?[Layout.Taps];
    private readonly Poller poller = new();
    private BpfArray<FlControl>? control;
    private BpfArray<FlTap>? taps;
    private BpfRing? ring;
    private Thread? thread;
    private VipTable table = VipTable.Empty;
    private Dictionary<VipPort, ServiceEntry>? services;
    private ulong takenBefore;
    private ulong lostBefore;
    private long epoch;
    private bool isOver;

    public PacketTap(TimeProvider clock, FlowHash key) => (this.clock, this.key) = (clock, key);

    /// <summary>Packets that were watched, and those that found no room in the ring.</summary>
    public (ulong Taken, ulong Lost) Counts
    {
        get
        {
            lock (gate)
            {
                return isOver || taps is null
                    ? (takenBefore, lostBefore)
                    : (takenBefore + Sum(tap => tap.Taken), lostBefore + Sum(tap => tap.Lost));
            }
        }
    }

    /// <summary>
    /// Goes over to these maps. What an earlier process watched there is nobody's; who watches goes on.
    /// </summary>
    public void Use(IReadOnlyDictionary<string, BpfObject> maps)
    {
        lock (gate)
        {
            if (taps is not null)
            {
                (takenBefore, lostBefore) = (takenBefore + Sum(tap => tap.Taken), lostBefore + Sum(tap => tap.Lost));
                for (int i = 0; i < Layout.Taps; i++) watches[i]?.KeepLost(taps[i].Lost);
            }

            Let();
            control = new BpfArray<FlControl>(maps["control"]);
            taps = new BpfArray<FlTap>(maps["taps"]);
            ring = new BpfRing(maps["tap_ring"]);
            control[0].TapUntil = 0;
            for (int i = 0; i < Layout.Taps; i++) taps[i].IsOn = 0;
            ring.Read(_ => { });
            for (int i = 0; i < Layout.Taps; i++)
            {
                watches[i]?.CountFrom(taps[i].Lost);
                if (watches[i] is { } watch) Open(i, watch.Filter);
            }

            if (watches.Any(watch => watch is not null)) Hold();
        }
    }

    /// <summary>Whose VIPs packets are for.</summary>
    public void Know(VipTable next)
    {
        lock (gate) (table, services) = (next, null);
    }

    /// <summary>So many may watch at once, beside what samples.</summary>
    public const int WatchesMax = Layout.Taps - 1;

    /// <summary>
    /// Shows packets until it is disposed of. Null: as many watch already as the kernel tells apart, or the balancer
    /// has ended.
    /// </summary>
    public TapWatch? Watch(TapFilter filter) => Watch(filter, Sampler + 1);

    /// <summary>The same in a place that is kept for it: one at a time.</summary>
    public TapWatch? Sample(TapFilter filter) => Watch(filter, Sampler);

    private TapWatch? Watch(TapFilter filter, int first)
    {
        lock (gate)
        {
            int free = Array.IndexOf(watches, null, first);
            if (isOver || ring is null || free < 0) return null;
            ring.Read(Take); // What is there is not for who comes now.
            var watch = new TapWatch(filter, one => LostOf(one, free), one => End(one, free));
            watch.CountFrom(taps![free].Lost);
            watches[free] = watch;
            Open(free, filter);
            Hold();
            if (thread is null)
            {
                epoch = EpochOf(clock);
                thread = new Thread(Run) { IsBackground = true, Name = "packet tap" };
                thread.Start();
            }

            return watch;
        }
    }

    public void Dispose()
    {
        Thread? last;
        lock (gate)
        {
            if (isOver) return;
            for (int i = 0; i < Layout.Taps; i++)
                if (watches[i] is { } watch) End(watch, i);
            isOver = true;
            last = thread;
        }

        poller.Wake();
        last?.Join();
        lock (gate) Let();
        poller.Dispose();
    }

    /// <summary>What the monotonic clock's zero is, in nanoseconds since 1970.</summary>
    private static long EpochOf(TimeProvider clock)
    {
        const long NanosecondsPerTick = 100;
        double perStamp = 1e9 / clock.TimestampFrequency;
        return (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * NanosecondsPerTick
            - (long)(clock.GetTimestamp() * perStamp);
    }

    private void Run()
    {
        while (true)
        {
            lock (gate)
            {
                if (!isOver && ring is not null) ring.Read(Take);
                if (isOver || watches.All(watch => watch is null))
                {
                    thread = null;
                    return;
                }

                Hold();
                poller.Clear();
                if (ring is not null) poller.Add(ring.Fd, read: true, write: false);
            }

            poller.Wait(Turn);
        }
    }

    private void Take(ReadOnlySpan<byte> record)
    {
        if (TappedPacket.Read(record, epoch, key, ServiceOf) is not { } packet) return;
        byte bits = MemoryMarshal.Read<FlEvent>(record).Taps;
        for (int i = 0; i < Layout.Taps; i++)
            if ((bits >> i & 1) != 0) watches[i]?.Offer(packet);
    }

    private ServiceEntry? ServiceOf(VipPort vip)
    {
        if (services is null)
        {
            services = [];
            foreach (ServiceEntry service in table.Services)
                foreach (VipPort one in service.Vips) services[one] = service;
        }

        return services.GetValueOrDefault(vip) ?? services.GetValueOrDefault(vip with { Port = 0 });
    }

    private void Open(int at, TapFilter filter)
    {
        (ulong first, ulong second) = filter.Address is { } address ? FlowHash.Halves(address) : default;
        ref FlTap tap = ref taps![at];
        (tap.Address0, tap.Address1) = (first, second);
        tap.PortProtocol =
            (ushort)IPAddress.HostToNetworkOrder((short)filter.Port) | ((uint)filter.Protocol << 16);
        tap.Chance = (uint)((1UL << 32) / (ulong)Math.Max(1, filter.OneIn) - 1);
        tap.Snap = (uint)Math.Clamp(filter.SnapBytes, 0, Layout.Snap);
        Volatile.Write(ref tap.IsOn, 1);
    }

    private void Hold() => Volatile.Write(ref control![0].TapUntil, KernelTables.Seconds(clock) + HoldsSeconds);

    private ulong LostOf(TapWatch watch, int at)
    {
        lock (gate) return watches[at] == watch ? taps![at].Lost : 0;
    }

    private void End(TapWatch watch, int at)
    {
        lock (gate)
        {
            if (watches[at] != watch) return;
            watch.KeepLost(taps![at].Lost);
            watch.Finish();
            watches[at] = null;
            Volatile.Write(ref taps![at].IsOn, 0);
            if (watches.All(watch => watch is null)) Volatile.Write(ref control![0].TapUntil, 0);
        }

        poller.Wake();
    }

    private ulong Sum(Func<FlTap, ulong> of)
    {
        ulong sum = 0;
        for (int i = 0; i < Layout.Taps; i++) sum += of(taps![i]);
        return sum;
    }

    private void Let()
    {
        control?.Dispose();
        taps?.Dispose();
        ring?.Dispose();
    }
}

/// <summary>What one of those who watch is shown. Disposing of it ends it.</summary>
public sealed class TapWatch : IDisposable
{
    /// <summary>As many packets wait for a reader that is slower than they come; then they are lost.</summary>
    private const int WaitingMax = 4096;

    private readonly Channel<TappedPacket> packets = Channel.CreateBounded<TappedPacket>(
        new BoundedChannelOptions(WaitingMax) { SingleReader = true });
    private readonly Func<TapWatch, ulong> counted;
    private readonly Action<TapWatch> end;
    private ulong lost;
    private ulong countedFrom;

    /// <summary>`counted` gives what the kernel has counted as lost for it, as long as it is shown packets.</summary>
    internal TapWatch(TapFilter filter, Func<TapWatch, ulong> counted, Action<TapWatch> end) =>
        (Filter, this.counted, this.end) = (filter, counted, end);

    public TapFilter Filter { get; }

    /// <summary>They end when the balancer does.</summary>
    public ChannelReader<TappedPacket> Packets => packets.Reader;

    /// <summary>Packets that were to be shown and for which there was no room.</summary>
    public ulong Lost => Volatile.Read(ref lost) + (counted(this) is > 0 and var now ? now - countedFrom : 0);

    public void Dispose() => end(this);

    internal void CountFrom(ulong now) => countedFrom = now;

    internal void KeepLost(ulong now) => (lost, countedFrom) = (lost + now - countedFrom, 0);

    internal void Finish() => packets.Writer.TryComplete();

    internal void Offer(TappedPacket packet)
    {
        TapFilter filter = Filter;
        // The place may have been another's when the packet came.
        if (filter.Address is { } address && packet.Flow?.To.Address.Equals(address) != true) return;
        if (packet.Frame.Length > filter.SnapBytes)
            packet = packet with { Frame = packet.Frame[..filter.SnapBytes] };
        if (!packets.Writer.TryWrite(packet)) lost++;
    }
}

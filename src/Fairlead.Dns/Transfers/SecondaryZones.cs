using System.Collections.Immutable;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// The zones that other servers are the primaries of: asks for their SOA when it is time or NOTIFY says so, takes new
/// versions, keeps copies on disk. The owner of the tables hears of each change and makes a new table of Zones.
/// </summary>
public sealed class SecondaryZones : IAsyncDisposable
{
    private readonly FollowerContext context;
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<Exception> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> running = [];
    private readonly Random random;
    private ImmutableDictionary<DnsName, Follower> followers = ImmutableDictionary<DnsName, Follower>.Empty;
    private bool started;

    /// <summary>Reads the copies on disk. ArgumentException when the options have problems.</summary>
    public SecondaryZones(SecondaryOptions options, TimeProvider? time = null, int seed = 0)
    {
        random = new Random(seed);
        context = new FollowerContext(options, time ?? TimeProvider.System, OnTurned);
        Apply(options);
    }

    /// <summary>
    /// A zone has a new version, or has expired: see Zones. Raised on threads of the pool, several at once.
    /// </summary>
    public event Action<DnsName>? Changed;

    /// <summary>How a zone stood and how it stands. Raised on threads of the pool, several at once.</summary>
    public event Action<SecondaryStatus, SecondaryStatus>? Turned;

    /// <summary>What is to be served now; zones that IsExpired among them.</summary>
    public IEnumerable<Zone> Zones => Statuses.Select(status => status.Zone);

    public IEnumerable<SecondaryStatus> Statuses =>
        Volatile.Read(ref followers).Values.Select(follower => follower.Status);

    /// <summary>Completes when a follower has ended by a fault of ours; the process should then end too.</summary>
    public Task<Exception> Failure => failure.Task;

    /// <summary>How the zone stands; null: it is not one of ours.</summary>
    public SecondaryStatus? StatusOf(DnsName origin) => Volatile.Read(ref followers).GetValueOrDefault(origin)?.Status;

    /// <summary>Starts asking. Called once, by the one who calls Apply.</summary>
    public void Start()
    {
        started = true;
        foreach (Follower follower in followers.Values) Run(follower);
    }

    /// <summary>
    /// Goes over to other zones, primaries and keys; the rest of the options stays. What is the same goes on
    /// undisturbed, what is new is served from its copy and asked for at once, what is gone is followed no more (its
    /// copy stays). ArgumentException, and nothing changed, when the options have problems. One thread at a time.
    /// </summary>
    public void Apply(SecondaryOptions next)
    {
        List<string> problems = [.. next.Problems()];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        var keys = new TsigKeys(next.Keys);
        ImmutableDictionary<DnsName, Follower> before = followers;
        var after = ImmutableDictionary.CreateBuilder<DnsName, Follower>();
        foreach (SecondaryZone zone in next.Zones)
        {
            Follower? known = before.GetValueOrDefault(zone.Origin);
            after[zone.Origin] = known is not null && known.IsFor(zone, keys)
                ? known
                : new Follower(zone, keys, context, random.Next(), known);
        }

        Volatile.Write(ref followers, after.ToImmutable());
        foreach (Follower gone in before.Values.Where(old => after.GetValueOrDefault(old.Origin) != old)) gone.Stop();
        running.RemoveAll(task => task.IsCompleted);
        if (!started) return;
        foreach (Follower fresh in after.Values.Where(one => before.GetValueOrDefault(one.Origin) != one)) Run(fresh);
    }

    /// <summary>Asks for the zone's SOA now; false: it is not one of ours.</summary>
    public bool Refresh(DnsName origin)
    {
        if (!Volatile.Read(ref followers).TryGetValue(origin, out Follower? follower)) return false;
        follower.Poke();
        return true;
    }

    /// <summary>
    /// RFC 1996 §3.10: a NOTIFY is believed by where it comes from, or by its key; and all that is believed is that
    /// one should ask. Its SOA is not looked at.
    /// </summary>
    internal Rcode Notified(ReadOnlySpan<byte> message, in Asker asker, DnsName? signedWith)
    {
        var reader = new MessageReader(message);
        Span<byte> name = stackalloc byte[DnsName.WireBytesMax];
        if (reader.IsResponse || reader.Questions != 1) return Rcode.FormErr;
        int length = reader.Question(name, out RecordType type, out ushort @class);
        if (reader.Failed || type != RecordType.Soa || @class != (ushort)RecordClass.Internet
            || !DnsName.TryFromWire(name[..length], out DnsName origin)) return Rcode.FormErr;
        if (!Volatile.Read(ref followers).TryGetValue(origin, out Follower? follower)) return Rcode.NotAuth;
        if (!follower.IsPrimary(asker.ClientMapped, signedWith)) return Rcode.Refused;
        follower.Poke();
        return Rcode.NoError;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await Task.WhenAll(running);
        stop.Dispose();
        context.AtOnce.Dispose();
    }

    private void Run(Follower follower) => running.Add(RunAsync(follower));

    private async Task RunAsync(Follower follower)
    {
        try
        {
            await follower.RunAsync(stop.Token);
        }
        catch (Exception fault)
        {
            // A zone that nobody follows any more would look alive until it expires.
            failure.TrySetResult(fault);
        }
    }

    private void OnTurned(SecondaryStatus before, SecondaryStatus after)
    {
        Turned?.Invoke(before, after);
        if (before.Zone != after.Zone) Changed?.Invoke(after.Origin);
    }
}

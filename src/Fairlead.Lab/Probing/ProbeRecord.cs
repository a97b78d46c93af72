using System.Runtime.InteropServices;

namespace Fairlead.Lab.Probing;

/// <summary>One answer, or its absence. Times are seconds since the probing began.</summary>
/// <param name="At">When it was asked.</param>
/// <param name="Done">When the answer or the failure was there.</param>
/// <param name="Answered">Whether the user was served (after at most one retry).</param>
/// <param name="Retried">The first try was reset before an answer, and asked again at once (RFC 9110 §9.2.2).</param>
/// <param name="Pop">Where it landed; when it was not answered, why not.</param>
/// <param name="OwnAddress">Whether the backend saw the client's own address; true for DNS.</param>
public readonly record struct ProbeRecord(
    double At, double Done, bool Answered, bool Retried, string Pop, bool OwnAddress);

/// <summary>Looks at records in place; nothing of the span may be kept.</summary>
internal delegate T ProbeReader<out T>(ReadOnlySpan<ProbeRecord> records);

/// <summary>What one client has asked with one probe, in order of asking. One writer, many readers.</summary>
public sealed class ProbeLog(string client, string probe)
{
    private readonly List<ProbeRecord> records = [];
    private readonly Lock gate = new();

    public string Client => client;

    public string Probe => probe;

    public ProbeRecord? Newest
    {
        get
        {
            lock (gate) return records.Count > 0 ? records[^1] : null;
        }
    }

    public void Add(ProbeRecord record)
    {
        lock (gate) records.Add(record);
    }

    /// <summary>Reads what was asked from then on.</summary>
    internal T Since<T>(double from, ProbeReader<T> read)
    {
        lock (gate)
        {
            int first = records.Count;
            while (first > 0 && records[first - 1].At >= from) first--;
            return read(CollectionsMarshal.AsSpan(records)[first..]);
        }
    }
}

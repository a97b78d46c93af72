using Fairlead.Dns.Steering;

namespace Fairlead.Dns.Server;

/// <summary>
/// Steered answers of one thread by their labels. Labels have numbers of each table's own, so that counting is one
/// addition; when the table changes, what was counted is added up by the label's text.
/// </summary>
internal sealed class SteeredCounts
{
    private readonly Dictionary<string, long> before = [];
    private readonly Lock gate = new();
    private SteeringTable table = SteeringTable.Empty;
    private long[] counts = [];

    /// <summary>The owner's thread alone.</summary>
    public void Add(SteeringTable current, int label)
    {
        if (table != current) Change(current);
        if ((uint)label < (uint)counts.Length) counts[label]++;
    }

    /// <summary>Adds all to the sums; any thread.</summary>
    public void AddTo(Dictionary<string, long> sums)
    {
        lock (gate)
        {
            foreach ((string label, long count) in before) sums[label] = sums.GetValueOrDefault(label) + count;
            AddCurrentTo(sums);
        }
    }

    private void Change(SteeringTable current)
    {
        lock (gate)
        {
            AddCurrentTo(before);
            (table, counts) = (current, new long[current.Labels.Length]);
        }
    }

    private void AddCurrentTo(Dictionary<string, long> sums)
    {
        for (int i = 0; i < counts.Length; i++)
        {
            long count = Volatile.Read(ref counts[i]);
            if (count > 0) sums[table.Labels[i]] = sums.GetValueOrDefault(table.Labels[i]) + count;
        }
    }
}

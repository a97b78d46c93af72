using System.Collections.Immutable;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>
/// Signs what steered names may answer later, so that a change finds its signatures in the cache. It looks after as
/// many sets as fill half of the cache: the rest is for what is answered. Whoever calls it decides how fast it goes.
/// One thread's own, and for one look ahead.
/// </summary>
public sealed class SigningAhead(Func<DnsName, SetSigner?> signerOf)
{
    // A set, at the first of the names that share it: names that share one share all, as long as overrides stand.
    private readonly HashSet<RRset> done = new(SignatureCache.ContentComparer.Instance);

    private int looked;

    /// <summary>Every set of these names that was not given before, signed now or at hand.</summary>
    public IEnumerable<RRset> Sign(IReadOnlyList<SteeredName> names)
    {
        ILookup<(ImmutableArray<SteeredRegion>, uint), SteeredName> alike = names
            .Where(name => !name.ByRegion.IsDefaultOrEmpty).ToLookup(name => (name.ByRegion, name.TtlSeconds));
        foreach (IGrouping<(ImmutableArray<SteeredRegion>, uint), SteeredName> group in alike)
        {
            foreach (RRset set in new CompiledSteering(group.First()).Sets)
            {
                if (!done.Add(set)) continue;
                foreach (SteeredName name in group)
                {
                    if (signerOf(name.Owner) is not { } signer) continue;
                    if (looked >= (signer.Cache.EntriesMax + 1) / 2) yield break;
                    looked++;
                    yield return signer.Sign(set.At(name.Owner));
                }
            }
        }
    }
}

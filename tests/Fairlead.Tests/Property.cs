using System.Globalization;
using Xunit.Sdk;

namespace Fairlead.Tests;

/// <summary>
/// Runs a property many times with seeded chance. A failure prints its seed; FAIRLEAD_SEED runs that one alone.
/// </summary>
public static class Property
{
    public static void Holds(int rounds, Action<Random> property)
    {
        if (Environment.GetEnvironmentVariable("FAIRLEAD_SEED") is { Length: > 0 } given)
        {
            property(new Random(int.Parse(given, CultureInfo.InvariantCulture)));
            return;
        }

        for (int seed = 0; seed < rounds; seed++)
        {
            try
            {
                property(new Random(seed));
            }
            catch (Exception fault)
            {
                throw new XunitException($"fails with FAIRLEAD_SEED={seed}: {fault}", fault);
            }
        }
    }
}
